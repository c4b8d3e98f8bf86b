/** What a model file is made of, and what the engine lacks for it. @packageDocumentation */

/** One kind of operator in a model. */
export interface OperatorUse {
  readonly domain: string;
  readonly type: string;
  /** How many nodes. */
  readonly count: number;
  readonly supported: boolean;
  /** Why not. */
  readonly reason?: string;
}

/** What a model file is made of. */
export interface ModelInspection {
  /**
   * `tflite`: read as the ONNX model that computes the same, whose facts these are; `nearside`: the published form of
   * one of both, as `nearside optimize` writes it.
   */
  readonly format: 'onnx' | 'tflite' | 'nearside';
  readonly irVersion: number;
  /** Versions of the operator sets by domain. */
  readonly opsets: Readonly<Record<string, number>>;
  readonly producer: string;
  /** Size of the file. */
  readonly bytes: number;
  readonly parameters: number;
  readonly nodes: number;
  readonly operators: readonly OperatorUse[];
  /** For a published form: the shapes of the inputs, in order, that it has plans for. */
  readonly plans?: readonly (readonly (readonly number[])[])[];
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
}

/** One reason why the engine cannot run a model, with everything that it concerns. */
export interface Problem {
  /** An operator that is lacking, a form or attribute of one, or the type of a value. */
  readonly kind: 'operator' | 'attribute' | 'type';
  /** `domain.Type`; empty for a type. */
  readonly operator: string;
  /** The nodes by name; for a type the values. */
  readonly names: readonly string[];
  /** Why it cannot run. */
  readonly reason: string;
  /** What to do. */
  readonly advice: string;
}

/** What stands in a model's way. */
export interface ModelCheck {
  readonly ok: boolean;
  readonly problems: readonly Problem[];
}

/** An input or an output in an inspection. */
export interface ValueInfo {
  readonly name: string;
  readonly type: string;
  readonly shape: ReadonlyArray<number | string>;
  /** What each column stands for, where the model has a map (`ZipMap`, `DictVectorizer`) and the engine a table. */
  readonly labels?: readonly string[];
}
