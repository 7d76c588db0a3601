"use client";
import { useEffect } from "react";
import { run } from "../program.js";
import { revoke } from "./actions";

/** The browser's half: the test calls `run` and `revoke` in the page. */
export function Client() {
  useEffect(() => {
    Object.assign(globalThis, { run, revoke });
  }, []);
  return <p>ready</p>;
}
