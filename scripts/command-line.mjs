// The command line of the scripts: help, options and refusals, the same for each.
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'

/**
 * Parses the arguments of the script `file`, with `options` as for parseArgs. `-h` and `--help`
 * print the comment at the head of the file, which contains the usage, and exit with status 0.
 * `names`: the allowed arguments that are not options: true for any; default: none.
 */
export function commandLine(file, { options = {}, names = [] } = {}) {
  const parsed = parse(file, options)
  if (parsed.values.help) {
    console.log(headComment(file))
    process.exit(0)
  }
  const unknown = names === true ? undefined : parsed.positionals.find((each) => !names.includes(each))
  if (unknown !== undefined) {
    refuse(file, `unknown argument '${unknown}'${names.length > 0 ? `; there are ${names.join(', ')}` : ''}`)
  }
  return parsed
}

function parse(file, options) {
  const help = { type: 'boolean', short: 'h', default: false }
  try {
    return parseArgs({ allowPositionals: true, options: { ...options, help } })
  } catch (error) {
    // The first sentence names the option; the others are about Node.js.
    return refuse(
      file,
      error.message.split(/\.\s|\n/)[0].replace(/^./, (first) => first.toLowerCase()),
    )
  }
}

/** The value of the option `name` as text, if it is a whole number from 1 to 2^32-1. */
export function wholeNumber(file, values, name) {
  const text = values[name]
  if (/^[1-9][0-9]{0,9}$/.test(text) && Number(text) < 2 ** 32) return text
  return refuse(file, `--${name} must be a whole number from 1, not '${text}'`)
}

/** A random seed, as the text of an option. */
export function randomSeed() {
  return String(1 + Math.floor(Math.random() * 0x7ffffffe))
}

/** Prints one line about a wrong command line, and exits with status 2. */
export function refuse(file, message) {
  console.error(`${path.basename(file, '.mjs')}: ${message}; -h prints the usage`)
  return process.exit(2)
}

function headComment(file) {
  const lines = readFileSync(file, 'utf8').split('\n')
  const end = lines.findIndex((line) => !line.startsWith('//'))
  return lines
    .slice(0, end)
    .map((line) => line.replace(/^\/\/ ?/, ''))
    .join('\n')
}
