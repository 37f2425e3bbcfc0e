// The parser of times in English words. The parser is in a module of its own, so that Node.js loads
// it only for a time that is not in RFC 3339 format.
export { casual } from 'chrono-node/en'
