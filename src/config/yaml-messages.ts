import type { ErrorCode, YAMLError } from 'yaml'

/**
 * The error messages of this package, by the error code of the YAML parser. The parser's own
 * messages quote the text near the error. The quoted text may contain a password.
 */
const MESSAGES: Readonly<Record<ErrorCode, string>> = {
  ALIAS_PROPS: 'an alias (*name) cannot have an anchor or a tag',
  BAD_ALIAS: 'an alias (*name) has no anchor (&name) before it; put a value that begins with "*" or "&" in quotes',
  BAD_COLLECTION_TYPE: 'a tag does not match the kind of the value after it',
  BAD_DIRECTIVE: 'a line that begins with "%" is not a YAML directive',
  BAD_DQ_ESCAPE: 'a backslash in double quotes is not followed by a YAML escape; use single quotes, or write \\\\',
  BAD_INDENT: 'the indentation does not match the lines before it, or a bracket or brace is not closed',
  BAD_PROP_ORDER: 'an anchor or a tag is in the wrong position',
  BAD_SCALAR_START: 'a value begins with a character that must be quoted',
  BLOCK_AS_IMPLICIT_KEY: 'a line has a second ": "; put a value that contains ": " in quotes',
  BLOCK_IN_FLOW: 'a block list or section cannot be inside brackets or braces',
  DUPLICATE_KEY: 'Map keys must be unique: a key occurs a second time in the same section',
  IMPOSSIBLE: 'the text is not YAML',
  KEY_OVER_1024_CHARS: 'a key is longer than 1024 characters',
  MISSING_CHAR: 'a quote, bracket, brace, comma or ": " is missing',
  MULTILINE_IMPLICIT_KEY: 'a key extends over several lines; a ":" after the key or a closing quote is missing',
  MULTIPLE_ANCHORS: 'a value has two anchors',
  MULTIPLE_DOCS: 'a second document begins ("---"); write separate files',
  MULTIPLE_TAGS: 'a value has two tags',
  NON_STRING_KEY: 'a key is not text',
  RESOURCE_EXHAUSTION: 'the text is nested too deeply',
  TAB_AS_INDENT: 'Tabs are not allowed as indentation',
  TAG_RESOLVE_FAILED: 'a tag (!name) is unknown; put a value that begins with "!" in quotes',
  UNEXPECTED_TOKEN: 'a quote, bracket, comma or text is not allowed here; put the value in quotes',
}

/** Returns a hint that tells how to correct an error of the YAML parser. */
export function yamlHint({ code }: YAMLError): string {
  if (code === 'TAB_AS_INDENT') return 'Replace the tabs of the indentation by spaces.'
  if (code === 'DUPLICATE_KEY') return 'Join the two entries with this key, or delete one entry.'
  return 'Check the indentation and quotes around this line.'
}

export function yamlMessage(error: YAMLError): string {
  return MESSAGES[error.code] ?? 'the text is not YAML'
}
