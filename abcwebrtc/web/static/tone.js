// The tone, and how it is known again. Pure.

export const TONE_HZ = 440;
export const FFT_SIZE = 4096;
const WITHIN_HZ = 12; // about the width of one bin
const SILENCE = 0.01;

/** Return the loudness of samples as 0 to 1: their root mean square, where a full sine is 1. */
export function level(samples) {
  let sum = 0;
  for (const one of samples) sum += one * one;
  return Math.min(1, Math.sqrt((2 * sum) / samples.length));
}

/** Return the frequency of the loudest bin, in Hz; between bins by a parabola. */
export function peak(decibels, sampleRate) {
  let top = 1;
  for (let bin = 1; bin < decibels.length - 1; bin += 1) {
    if (decibels[bin] > decibels[top]) top = bin;
  }
  const [left, middle, right] = [decibels[top - 1], decibels[top], decibels[top + 1]];
  const bend = left - 2 * middle + right;
  const shift = Number.isFinite(bend) && bend ? (left - right) / (2 * bend) : 0;
  return ((top + shift) * sampleRate) / (2 * decibels.length);
}

/** Say whether a frequency at a loudness is the tone. */
export function isTone(hz, loudness) {
  return loudness > SILENCE && Math.abs(hz - TONE_HZ) < WITHIN_HZ;
}
