// The parser of times in words, in a module of its own: it is loaded only for a time that is not
// RFC 3339. English only, the language of the messages.
export { casual } from 'chrono-node/en'
