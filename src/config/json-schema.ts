import { z } from 'zod'
import { configSchema } from './schema.js'

/** The part of JSON Schema this package's own schema consists of. */
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

/** How each kind of value may be written in YAML, for an editor; the file's reader itself sees text only. */
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

function generate(own: boolean): JsonSchema {
  const schema = z.toJSONSchema(configSchema, {
    io: 'input',
    unrepresentable: 'any',
    override: ({ jsonSchema }) => {
      const kind = jsonSchema.kind as string | undefined
      if (own) return
      if (kind) {
        for (const key of ['anyOf', 'allOf', '$ref']) delete (jsonSchema as Record<string, unknown>)[key]
        Object.assign(jsonSchema, WRITTEN[kind])
      }
      if (jsonSchema.defaultText)
        jsonSchema.description = `${jsonSchema.description} Default: ${jsonSchema.defaultText}.`
      if (jsonSchema.unused) jsonSchema.deprecated = true
      for (const key of ['kind', 'defaultText', 'secret', 'unused']) delete jsonSchema[key]
    },
  })
  return schema as JsonSchema
}

let ownSchema: JsonSchema | undefined

/** The schema with this package's own marks (kind, default, secret), for documentation, masking and suggestions. */
export function describedSchema(): JsonSchema {
  ownSchema ??= generate(true)
  return ownSchema
}

/** The schema for editors: `# yaml-language-server: $schema=…`. */
export function editorSchema(): object {
  return { ...generate(false), title: 'litestream.yml' }
}

/** The schema at a path into the file, list indexes being numbers. */
export function schemaAt(path: readonly PropertyKey[]): JsonSchema | undefined {
  let schema: JsonSchema | undefined = describedSchema()
  for (const key of path) schema = typeof key === 'number' ? schema?.items : schema?.properties?.[String(key)]
  return schema
}
