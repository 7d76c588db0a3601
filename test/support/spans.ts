import { trace } from "@opentelemetry/api";
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from "@opentelemetry/sdk-trace-base";
import { beforeEach } from "vitest";

/** Collects the spans of each test of the file that calls it. */
export function collectSpans(): InMemorySpanExporter {
  const spans = new InMemorySpanExporter();
  trace.disable();
  trace.setGlobalTracerProvider(
    new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] }),
  );
  beforeEach(() => spans.reset());
  return spans;
}
