import { LitestreamError } from '../errors.js'

/**
 * Splits a command line into words. Supports the quotes and backslashes of a shell, but no
 * variables and globs.
 */
export function splitCommand(line: string): string[] {
  const words: string[] = []
  let word: string | undefined
  let quote: string | undefined
  for (let i = 0; i < line.length; i++) {
    const char = line[i]!
    if (quote !== undefined) {
      if (char === quote) quote = undefined
      else if (char === '\\' && quote === '"' && '"\\$`'.includes(line[i + 1] ?? '')) word += line[++i]!
      else word += char
    } else if (char === '"' || char === "'") {
      quote = char
      word ??= ''
    } else if (char === '\\' && i + 1 < line.length) {
      word = (word ?? '') + line[++i]!
    } else if (/\s/.test(char)) {
      if (word !== undefined) words.push(word)
      word = undefined
    } else {
      word = (word ?? '') + char
    }
  }
  if (quote !== undefined) {
    throw new LitestreamError('INVALID_ARGUMENT', `cannot parse exec command: unmatched ${quote}`, {
      hint: 'Close the quote.',
    })
  }
  if (word !== undefined) words.push(word)
  return words
}
