"""Makes speech.flac: two spoken sentences with sounds between them that are loud but no voice.

In: a folder that holds two clips of pocketsphinx's source package (see README.md): LibriVox readings
of "Sense and Sensibility", in the public domain. Out: speech.flac, mono, 16 kHz, 16 bit.

The one decision: real voices, and a rattle and a chime as loud as they are. A meter of loudness would
mark all of it; a detector of voice has to leave the middle out.
"""
import pathlib
import sys

import numpy as np
import soundfile

RATE = 16_000
HERE = pathlib.Path(__file__).resolve().parent
CLIP = "sense_and_sensibility_01_austen_64kb-%s.wav"


def clip(folder, number):
    samples, rate = soundfile.read(folder / (CLIP % number), dtype="float64")
    assert rate == RATE
    return samples


def rattle(rng, seconds, level):
    """Short bursts of noise, as of keys."""
    out = np.zeros(int(seconds * RATE))
    for start in np.arange(0.05, seconds - 0.1, 0.11):
        n = int(0.05 * RATE)
        burst = rng.standard_normal(n) * np.exp(-np.arange(n) / (0.012 * RATE))
        at = int((start + rng.uniform(0, 0.03)) * RATE)
        out[at : at + n] += burst
    return out / np.abs(out).max() * level


def chime(seconds, level):
    t = np.arange(int(seconds * RATE)) / RATE
    tone = sum(np.sin(2 * np.pi * f * t) * np.exp(-t * d) / d for f, d in ((1318.5, 3), (2637, 5), (3951, 8)))
    return tone / np.abs(tone).max() * level


def main(folder):
    rng = np.random.default_rng(3)
    first, second = clip(folder, "0880"), clip(folder, "0930")
    loud = max(np.abs(first).max(), np.abs(second).max())
    quiet = lambda s: np.zeros(int(s * RATE))
    parts = [first, rattle(rng, 0.9, loud), quiet(0.2), chime(1.0, loud * 0.8), quiet(0.1), second]
    sound = np.concatenate(parts)
    sound = sound / np.abs(sound).max() * 0.9
    soundfile.write(HERE / "speech.flac", sound, RATE, format="FLAC", subtype="PCM_16")
    print(f"{len(sound) / RATE:.2f} s, {(HERE / 'speech.flac').stat().st_size} bytes")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
