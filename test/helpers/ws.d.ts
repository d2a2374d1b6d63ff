// SPDX-License-Identifier: MIT
/** The little that the tests use of the package ws, which ships no types. */
declare module "*/ws/wrapper.mjs" {
  interface Events {
    open: () => void;
    error: (error: Error) => void;
    message: (data: unknown) => void;
    pong: () => void;
    close: (code: number, reason: Uint8Array) => void;
    "unexpected-response": (request: unknown, response: { statusCode?: number }) => void;
  }
  export class WebSocket {
    constructor(url: string, options?: { headers?: Record<string, string> });
    readonly readyState: number;
    on<E extends keyof Events>(event: E, listener: Events[E]): void;
    close(): void;
    /** Without a word. */
    terminate(): void;
    send(text: string): void;
    ping(text: string): void;
    pause(): void;
    resume(): void;
  }
}
