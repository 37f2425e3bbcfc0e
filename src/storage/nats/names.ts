/** The stream in which NATS stores an object store's bucket. */
export function streamName(bucket: string): string {
  return `OBJ_${bucket}`
}

/**
 * The subject of the object's latest description, in NATS' own form: the name in padded base64url,
 * one token.
 */
export function metaSubject(bucket: string, name: string): string {
  return `${metaPrefix(bucket)}${Buffer.from(name).toString('base64').replaceAll('+', '-').replaceAll('/', '_')}`
}

/** The object of a description's subject. */
export function nameOfMeta(bucket: string, subject: string): string {
  return Buffer.from(subject.slice(metaPrefix(bucket).length), 'base64url').toString()
}

/** The subjects of all descriptions, as a filter. */
export function allMetaSubjects(bucket: string): string {
  return `${metaPrefix(bucket)}>`
}

/** The subject of the chunks of one put of an object; every put has a new `nuid`. */
export function chunkSubject(bucket: string, nuid: string): string {
  return `$O.${bucket}.C.${nuid}`
}

function metaPrefix(bucket: string): string {
  return `$O.${bucket}.M.`
}
