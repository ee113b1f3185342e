/** How the incoming edges of a node are joined. */
export type JoinPolicy =
  | { readonly kind: 'all_of'; readonly onImpossible: OnDecided }
  | { readonly kind: 'any_of'; readonly onSatisfied: OnDecided }
  | { readonly kind: 'quorum'; readonly k: number; readonly onSatisfied: OnDecided }

/** What happens to upstreams that still run when the group decides. */
export type OnDecided = 'cancel_remaining' | 'let_run'

export const runOns = ['groupSatisfied', 'groupImpossible', 'always'] as const
/**
 * When the node runs: after a satisfied group (default), after an impossible one (a fallback, skipped otherwise),
 * or either way once the last upstream has ended (a finaliser).
 */
export type RunOn = (typeof runOns)[number]

/** A join as a caller states it; absent fields take the defaults of `resolveJoin`. */
export interface JoinSpec {
  readonly policy?: JoinPolicySpec | undefined
  readonly runOn?: RunOn | undefined
  /** Decision and sibling cancel at once, but run or skip only when every upstream is terminal. */
  readonly settled?: boolean | undefined
  /** Cancels siblings even where another undecided join still needs them. */
  readonly cancelShared?: boolean | undefined
  /** Whether ancestors that only fed cancelled siblings are cancelled too (default `cancel`). */
  readonly ancestors?: 'cancel' | 'let_run' | undefined
}

export type JoinPolicySpec =
  | { readonly kind: 'all_of'; readonly onImpossible?: OnDecided | undefined }
  | { readonly kind: 'any_of'; readonly onSatisfied?: OnDecided | undefined }
  | { readonly kind: 'quorum'; readonly k: number; readonly onSatisfied?: OnDecided | undefined }

/** A join with every default filled in, as stores keep it. */
export interface Join {
  readonly policy: JoinPolicy
  readonly runOn: RunOn
  readonly settled: boolean
  readonly cancelShared: boolean
  readonly ancestors: 'cancel' | 'let_run'
}

/** Fills in the defaults: `all_of`, `groupSatisfied`; any_of and quorum cancel the rest, all_of lets it run. */
export function resolveJoin(spec: JoinSpec | undefined): Join {
  return {
    policy: resolvePolicy(spec?.policy ?? { kind: 'all_of' }),
    runOn: spec?.runOn ?? 'groupSatisfied',
    settled: spec?.settled ?? false,
    cancelShared: spec?.cancelShared ?? false,
    ancestors: spec?.ancestors ?? 'cancel',
  }
}

function resolvePolicy(spec: JoinPolicySpec): JoinPolicy {
  switch (spec.kind) {
    case 'all_of':
      return { kind: 'all_of', onImpossible: spec.onImpossible ?? 'let_run' }
    case 'any_of':
      return { kind: 'any_of', onSatisfied: spec.onSatisfied ?? 'cancel_remaining' }
    case 'quorum':
      return { kind: 'quorum', k: spec.k, onSatisfied: spec.onSatisfied ?? 'cancel_remaining' }
  }
}
