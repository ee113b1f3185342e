import type { ServedApi } from '../serve-api.js'

/** What to try next. */
export function describeApi({ url, token }: ServedApi, flowId: string): string {
  return [
    `The API answers at ${url}/v1 (its description: ${url}/docs). Try`,
    '',
    `  curl -s -H 'Authorization: Bearer ${token}' ${url}/v1/flows/${flowId}`,
    `  curl -s -H 'Authorization: Bearer ${token}' '${url}/v1/executions?kind=measure&limit=3'`,
    '',
    'It serves on until you stop it with Ctrl-C. Start it again, and it counts anew.',
  ].join('\n')
}
