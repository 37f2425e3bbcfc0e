/**
 * The name of the writer record, an object in the replica that says which process writes to the
 * replica. See primary/upload/writer-record.ts.
 */
export const WRITER_RECORD_NAME = 'primary.json'
