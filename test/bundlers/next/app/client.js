"use client";
import { useEffect } from "react";
import { run } from "../program.js";

/** The browser's half: the test calls `run` in the page. */
export function Client() {
  useEffect(() => {
    globalThis.run = run;
  }, []);
  return <p>ready</p>;
}
