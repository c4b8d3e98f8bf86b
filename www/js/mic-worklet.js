/** Microphone worklet: collects the audio thread's blocks of 128 samples and posts them in pieces of 32 ms or more. */
class Tap extends AudioWorkletProcessor {
  #blocks = [];
  #length = 0;

  process([[samples]]) {
    if (!samples) return true;
    this.#blocks.push(samples.slice());
    this.#length += samples.length;
    if (this.#length >= 512) {
      const piece = new Float32Array(this.#length);
      let at = 0;
      for (const block of this.#blocks) {
        piece.set(block, at);
        at += block.length;
      }
      this.port.postMessage(piece, [piece.buffer]);
      this.#blocks = [];
      this.#length = 0;
    }
    return true;
  }
}
registerProcessor('tap', Tap);
