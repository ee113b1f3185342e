import type { ClaimedExecution, ClaimRequest } from '@flowfabric/core'
import { createGroup, type GroupOptions } from '../db/group-commit.js'

/** Items that share statements with each other, and with the claims of those who fetch work along with them. */
export interface GroupWithClaims<Item, Row> {
  add(item: Item): Promise<Row>
  /** Carried out after what was added before it. */
  claim(request: ClaimRequest): Promise<readonly ClaimedExecution[]>
}

export interface GroupWithClaimsOptions<Item, Row>
  extends Pick<GroupOptions<Item, Row>, 'itemsMax' | 'sizeOf' | 'secondAt' | 'keyOf' | 'otherKeyOf'> {
  /** One statement: rows in the order of the items, and what each claim was handed. */
  run(
    items: readonly Item[],
    requests: readonly ClaimRequest[],
  ): Promise<{ readonly rows: readonly Row[]; readonly claims: readonly (readonly ClaimedExecution[])[] }>
}

/** What one statement carries, in the order in which it came. */
type Part<Item> = { readonly item: Item } | { readonly request: ClaimRequest; readonly number: number }

export function createGroupWithClaims<Item, Row>({
  itemsMax,
  sizeOf = () => 0,
  secondAt,
  keyOf,
  otherKeyOf = () => undefined,
  run,
}: GroupWithClaimsOptions<Item, Row>): GroupWithClaims<Item, Row> {
  let claims = 0
  const group = createGroup<Part<Item>, Row | readonly ClaimedExecution[]>({
    itemsMax,
    sizeOf: (part) => ('item' in part ? sizeOf(part.item) : 0),
    // A full batch takes its claim along: alone it would be a statement more for each.
    isExtra: (part) => 'request' in part,
    secondAt,
    keyOf: (part) => ('item' in part ? keyOf(part.item) : `claim ${part.number}`),
    otherKeyOf: (part) => ('item' in part ? otherKeyOf(part.item) : undefined),
    async run(parts) {
      const answer = await run(
        parts.flatMap((part) => ('item' in part ? [part.item] : [])),
        parts.flatMap((part) => ('item' in part ? [] : [part.request])),
      )
      const nextRow = answer.rows.values()
      const nextClaim = answer.claims.values()
      return parts.map((part) => ('item' in part ? nextRow : nextClaim).next().value as Row)
    },
  })
  return {
    add: (item) => group.add({ item }) as Promise<Row>,
    claim(request) {
      claims += 1
      return group.add({ request, number: claims }) as Promise<readonly ClaimedExecution[]>
    },
  }
}
