/** The object in a replica that says which process writes to it: see primary/upload/writer-record.ts. */
export const WRITER_RECORD_NAME = 'primary.json'
