/**
 * Characters that a terminal obeys rather than shows: controls (C0, DEL, C1), those that end a line or page, and those that change the
 * direction of text, with which a name can pretend to be another one.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters to find
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g

const NAMED: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }

function escaped(char: string): string {
  const code = char.charCodeAt(0)
  return NAMED[char] ?? (code < 0x100 ? `\\x${hex(code, 2)}` : `\\u${hex(code, 4)}`)
}

const hex = (code: number, digits: number) => code.toString(16).padStart(digits, '0')

/** `text` as one line that a terminal shows as it is: every control character as `\n`, `\x1b`, `\u202e`. */
export function oneLine(text: string): string {
  return text.replace(CONTROL, escaped)
}

/** As oneLine, for text of several lines: line feeds stay. */
export function printable(text: string): string {
  return text.replace(CONTROL, (char) => (char === '\n' ? char : escaped(char)))
}

/** JSON text with the control characters that JSON itself leaves as they are (DEL, C1 and so on) in its own escapes. */
export function printableJson(json: string): string {
  return json.replace(CONTROL, (char) => (char === '\n' ? char : `\\u${hex(char.charCodeAt(0), 4)}`))
}
