/** What can go wrong. @packageDocumentation */
import type { Problem } from './inspection.js';
import type { Attempt } from './report.js';

/** What went wrong; stable, for programs. */
export type ErrorCode =
  | 'INVALID_MODEL' | 'UNSUPPORTED_OPERATOR' | 'CANNOT_PLAN' | 'UNSUPPORTED_TYPE' | 'INVALID_INPUT' | 'SHAPE_MISMATCH' | 'TYPE_MISMATCH'
  | 'MALFORMED_REQUEST' | 'MODEL_NOT_FOUND' | 'NOT_FOUND' | 'METHOD_NOT_ALLOWED' | 'TOO_LARGE' | 'OUT_OF_MEMORY' | 'TIMEOUT'
  | 'UNAVAILABLE' | 'GPU_UNAVAILABLE' | 'GPU_LOST' | 'IO' | 'INTERNAL' | 'OVER_BUDGET' | 'DOWNLOAD_FAILED' | 'ENGINE_FAILED' | 'ENGINE_CRASHED' | 'ABORTED'
  | 'SESSION_RELEASED' | 'NO_PLACE' | 'REMOTE_ERROR';

/** The one error type of the package. */
export declare class NearsideError extends Error {
  constructor(code: ErrorCode, message: string, details?: Record<string, unknown>, cause?: unknown);
  readonly name: 'NearsideError';
  readonly code: ErrorCode;
  /**
   * Facts by code: `problems` of UNSUPPORTED_OPERATOR and UNSUPPORTED_TYPE, `url` and `status` of DOWNLOAD_FAILED, `status` and `error` of
   * REMOTE_ERROR, `attempts` of NO_PLACE and of a failed creation.
   */
  readonly details?: {
    readonly problems?: readonly Problem[];
    readonly attempts?: readonly Attempt[];
    readonly url?: string;
    readonly status?: number;
    readonly [fact: string]: unknown;
  };
}
