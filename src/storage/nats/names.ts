/** Returns the name of the stream that stores the bucket of a NATS object store. */
export function streamName(bucket: string): string {
  return `OBJ_${bucket}`
}

/**
 * Returns the subject of an object's metadata. As in all NATS clients, the subject contains the
 * object's name as one token in padded base64url.
 */
export function metaSubject(bucket: string, name: string): string {
  return `${metaPrefix(bucket)}${Buffer.from(name).toString('base64').replaceAll('+', '-').replaceAll('/', '_')}`
}

/** Returns the name of the object whose metadata has this subject. */
export function nameOfMeta(bucket: string, subject: string): string {
  return Buffer.from(subject.slice(metaPrefix(bucket).length), 'base64url').toString()
}

/** Returns a filter for the subjects of all objects' metadata. */
export function allMetaSubjects(bucket: string): string {
  return `${metaPrefix(bucket)}>`
}

/** Returns the subject of all chunks of one put of an object. Every put has a new `nuid`. */
export function chunkSubject(bucket: string, nuid: string): string {
  return `$O.${bucket}.C.${nuid}`
}

function metaPrefix(bucket: string): string {
  return `$O.${bucket}.M.`
}
