/**
 * Pattern of characters that control a terminal. The pattern matches control characters (C0, DEL,
 * C1), line and page separators, and characters that change the text direction, which can make one
 * name look like another name.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters to find
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g

const NAMED: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }

function escaped(char: string): string {
  const code = char.charCodeAt(0)
  return NAMED[char] ?? (code < 0x100 ? `\\x${hex(code, 2)}` : `\\u${hex(code, 4)}`)
}

const hex = (code: number, digits: number) => code.toString(16).padStart(digits, '0')

/**
 * Returns `text` as one line, with every control character escaped, such as `\n`, `\x1b` or
 * `\u202e`.
 */
export function oneLine(text: string): string {
  return text.replace(CONTROL, escaped)
}

/** Does the same as oneLine() for text of several lines. printable() keeps line feeds unescaped. */
export function printable(text: string): string {
  return text.replace(CONTROL, (char) => (char === '\n' ? char : escaped(char)))
}

/** Escapes the control characters that JSON text may contain unescaped, such as DEL and C1. */
export function printableJson(json: string): string {
  return json.replace(CONTROL, (char) => (char === '\n' ? char : `\\u${hex(char.charCodeAt(0), 4)}`))
}
