import { LitestreamError } from '../errors.js'

/**
 * Converts a glob for one file name to a regular expression. The syntax is that of Go's
 * filepath.Match, with `*`, `?`, `[a-z]`, `[^a-z]` and `\x`. Every other character matches itself.
 */
export function globToRegExp(glob: string): RegExp {
  let source = ''
  for (let i = 0; i < glob.length; i++) {
    const char = glob[i]!
    const end = char === '[' ? glob.indexOf(']', i + 2) : -1
    // Consecutive stars match the same text as one star. The function replaces them by one star,
    // because several stars would make matching much slower.
    if (char === '*') source += source.endsWith('[^/]*') ? '' : '[^/]*'
    else if (char === '?') source += '[^/]'
    else if (end > 0) {
      source += `[${glob
        .slice(i + 1, end)
        .replaceAll('\\', '\\\\')
        .replace(/\[/g, '\\[')}]`
      i = end
    } else {
      const literal = char === '\\' && i + 1 < glob.length ? glob[++i]! : char
      source += literal.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&')
    }
  }
  try {
    return new RegExp(`^${source}$`, 's')
  } catch (cause) {
    throw new LitestreamError(
      'INVALID_ARGUMENT',
      `invalid pattern ${JSON.stringify(glob)}: the end of a range is before its start`,
      {
        cause,
        hint: 'Write a glob such as *.db or [a-z]*.db; write a literal "[" as \\[.',
      },
    )
  }
}
