import swagger from '@fastify/swagger'
import type { FastifyInstance } from 'fastify'
import { createJsonSchemaTransform, createJsonSchemaTransformObject } from 'fastify-type-provider-zod'
import type { $ZodObjectDef, $ZodType } from 'zod/v4/core'

/** Describes the API from the very schemas that read its requests, as OpenAPI 3.1. */
export async function describeApi(app: FastifyInstance, version: string): Promise<void> {
  // The operations read their requests themselves, one item at a time; the schemas of a route only describe it.
  app.setValidatorCompiler(() => (value: unknown) => ({ value }))
  app.setSerializerCompiler(() => JSON.stringify)
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'FlowFabric',
        version,
        description: 'Durable execution: submit work, run it in workers, watch and steer it.',
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      components: {
        securitySchemes: {
          token: { type: 'http', scheme: 'bearer' },
          waitpointToken: { type: 'apiKey', in: 'header', name: 'FF-Waitpoint-Token' },
        },
      },
      security: [{ token: [] }],
    },
    transform: createJsonSchemaTransform({ zodToJsonConfig }),
    transformObject: createJsonSchemaTransformObject({ zodToJsonConfig }),
  })
}

const zodToJsonConfig = {
  // Answers may grow fields, and who reads them must not refuse that. Requests are strict, and say so.
  override: ({
    zodSchema,
    jsonSchema,
  }: {
    zodSchema: $ZodType
    jsonSchema: { additionalProperties?: unknown }
  }) => {
    const { def } = zodSchema._zod
    if (def.type === 'object' && (def as $ZodObjectDef).catchall === undefined)
      delete jsonSchema.additionalProperties
  },
}
