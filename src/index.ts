export { type ErrorCode, type ErrorDetails, isLitestreamError, LitestreamError } from './errors.js'
