/** The version of this package, and of the `onnxruntime-common` API that it follows. @module */
export const VERSION = '0.1.0';
export const API_VERSION = '1.30.0';
