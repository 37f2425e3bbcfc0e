import { configSchema } from './schema.js'
import type { Shape } from './shape.js'

/** The part of JSON Schema that the schema of litestream.yml uses. */
export interface JsonSchema {
  readonly type?: string | readonly string[]
  readonly description?: string
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly items?: JsonSchema
  readonly anyOf?: readonly JsonSchema[]
  readonly enum?: readonly unknown[]
  readonly pattern?: string
  readonly kind?: string
  readonly defaultText?: string
  readonly secret?: boolean
  readonly unused?: boolean
}

/**
 * The YAML types that an editor should accept for each kind of value. This package itself reads
 * every scalar as text.
 */
const WRITTEN: Readonly<Record<string, object>> = {
  text: { type: ['string', 'number'] },
  boolean: { type: 'boolean' },
  integer: { type: 'integer' },
  duration: {
    type: ['string', 'integer'],
    pattern: '^[+-]?(0|(([0-9]+(\\.[0-9]*)?|\\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+)$',
  },
  size: { type: ['string', 'integer'] },
  permissions: { type: ['string', 'integer'] },
}

/**
 * If `own` is true, the schema contains the additional fields that only this package understands.
 * If `own` is false, the schema is for editors.
 */
function schemaOf(shape: Shape<unknown>, own: boolean): JsonSchema {
  const { parts, kind, description, defaultText, secret, unused } = shape
  const fallback = !own && defaultText ? ` Default: ${defaultText}.` : ''
  const about = description === undefined ? {} : { description: `${description}${fallback}` }
  const marks = own
    ? {
        ...(kind === undefined ? {} : { kind }),
        ...(defaultText === undefined ? {} : { defaultText }),
        ...(secret === undefined ? {} : { secret }),
        ...(unused === undefined ? {} : { unused }),
      }
    : unused
      ? { deprecated: true }
      : {}
  switch (parts.type) {
    case 'any':
      return { ...about, ...marks }
    case 'scalar':
      return { ...about, ...(own || !kind ? { type: 'string' } : WRITTEN[kind]), ...marks }
    case 'texts':
      return { ...about, anyOf: [{ type: 'string' }, { type: 'array', items: { type: 'string' } }], ...marks }
    case 'list': {
      const most = parts.most === undefined ? {} : { maxItems: parts.most }
      return { ...about, ...most, type: 'array', items: schemaOf(parts.items, own), ...marks }
    }
    case 'section': {
      const fields = Object.entries(parts.fields).map(([key, field]) => [key, schemaOf(field, own)] as const)
      const title = parts.title === undefined ? {} : { title: parts.title }
      const type = { type: 'object', properties: Object.fromEntries(fields), additionalProperties: false }
      return { ...about, ...type, ...title, ...marks }
    }
  }
}

let ownSchema: JsonSchema | undefined

/**
 * Returns the schema with the additional fields `kind`, `default` and `secret`, which
 * documentation, masking and suggestions use.
 */
export function describedSchema(): JsonSchema {
  ownSchema ??= schemaOf(configSchema, true)
  return ownSchema
}

/**
 * Returns the schema for editors, which a YAML file can name in a `yaml-language-server` comment.
 */
export function editorSchema(): object {
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    ...schemaOf(configSchema, false),
    // Keys that begin with `x-` may hold YAML anchors. See parseConfig.
    patternProperties: { '^x-': {} },
    title: 'litestream.yml',
  }
}

/** Returns the schema of the key at `path`. Numbers in `path` are list indexes. */
export function schemaAt(path: readonly PropertyKey[]): JsonSchema | undefined {
  let schema: JsonSchema | undefined = describedSchema()
  for (const key of path) schema = typeof key === 'number' ? schema?.items : schema?.properties?.[String(key)]
  return schema
}
