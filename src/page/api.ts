// SPDX-License-Identifier: MIT
/** Asks the agent. Its answers are not checked anew: they come from the same binary as this page. */

/** The agent said no, with a sentence; status 0: it did not answer at all. */
export class ApiError extends Error {
  readonly status: number;

  constructor(status: number, sentence: string) {
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
  } catch {
    throw new ApiError(0, "the agent does not answer");
  }
  const body: unknown = await response.json().catch(() => undefined);
  if (response.ok) return body as T;
  const { error = response.statusText } = (body ?? {}) as { error?: string };
  throw new ApiError(response.status, error);
}
