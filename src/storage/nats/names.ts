/** The stream that NATS keeps an object store's bucket in. */
export function streamName(bucket: string): string {
  return `OBJ_${bucket}`
}

/** Where the object's latest description is; NATS' own form: the name in padded base64url, one token. */
export function metaSubject(bucket: string, name: string): string {
  return `${metaPrefix(bucket)}${Buffer.from(name).toString('base64').replaceAll('+', '-').replaceAll('/', '_')}`
}

/** The object that a description's subject is of. */
export function nameOfMeta(bucket: string, subject: string): string {
  return Buffer.from(subject.slice(metaPrefix(bucket).length), 'base64url').toString()
}

/** The subjects of all descriptions, as a filter. */
export function allMetaSubjects(bucket: string): string {
  return `${metaPrefix(bucket)}>`
}

/** Where the chunks of one put of an object are; `nuid` is new for every put. */
export function chunkSubject(bucket: string, nuid: string): string {
  return `$O.${bucket}.C.${nuid}`
}

function metaPrefix(bucket: string): string {
  return `$O.${bucket}.M.`
}
