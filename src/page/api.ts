// SPDX-License-Identifier: MIT
/** Asks the agent. Its answers are not checked anew: they come from the same binary as this page. */

/** The agent said no, with a sentence; "silent": it took the question, and did not answer; "unreachable": nobody took it. */
export class ApiError extends Error {
  readonly status: number | "silent" | "unreachable";

  constructor(status: ApiError["status"], sentence: string) {
    super(sentence);
    this.status = status;
  }
}

/** For an agent that is stopped: it accepts, and says nothing. */
const ANSWER_BOUND_MS = 10_000;

export async function ask<T>(path: string, boundMs = ANSWER_BOUND_MS): Promise<T> {
  let response: Response;
  try {
    response = await fetch(path, { signal: AbortSignal.timeout(boundMs), cache: "no-store" });
  } catch (error) {
    const isSilent = error instanceof DOMException && error.name === "TimeoutError";
    throw isSilent
      ? new ApiError("silent", "the agent does not answer")
      : new ApiError("unreachable", "the agent cannot be reached");
  }
  const body: unknown = await response.json().catch(() => undefined);
  if (response.ok) return body as T;
  const { error = response.statusText } = (body ?? {}) as { error?: string };
  throw new ApiError(response.status, error);
}
