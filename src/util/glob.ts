/** A glob on one file name, as Go's filepath.Match has it: `*`, `?`, `[a-z]`, `[^a-z]`, `\x`. Everything else stands for itself. */
export function globToRegExp(glob: string): RegExp {
  let source = ''
  for (let i = 0; i < glob.length; i++) {
    const char = glob[i]!
    const end = char === '[' ? glob.indexOf(']', i + 2) : -1
    if (char === '*') source += '[^/]*'
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
  return new RegExp(`^${source}$`, 's')
}
