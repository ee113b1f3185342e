import type {
  CreateWaitpoint,
  CreateWaitpointOutcome,
  DeliverSignal,
  DeliverSignalOutcome,
  GetWaitpoint,
} from '../contract/suspensions.js'

/**
 * What a process that has the signing secrets offers beside the store's waitpoints: their tokens, and signals of whoever
 * bears one. No part of a store, which never sees a token.
 */
export interface WaitpointTokens {
  /** As `suspensions.createWaitpoint`, with the token that binds no source. Throws `signing_key_secret_missing`. */
  open(params: CreateWaitpoint): Promise<OpenWaitpointOutcome>

  /**
   * Another token of a waitpoint, which makes its source that of every signal that it delivers. Whoever may call this
   * may speak for anybody. Throws `waitpoint_not_found`, `signing_key_secret_missing`, `invalid_params`.
   */
  mint(params: MintWaitpointToken): Promise<MintedWaitpointToken>

  /**
   * Delivers a signal of whoever bears the token. As `suspensions.deliverSignal`; `waitpoint_not_found` alike for an
   * unknown waitpoint and for a token that is forged, expired, another waitpoint's, or of an unknown or retired key.
   */
  deliver(params: SignalByToken): Promise<DeliverSignalOutcome>
}

export type OpenWaitpointOutcome =
  | (Extract<CreateWaitpointOutcome, { readonly outcome: 'created' | 'duplicate' }> & {
      /** `null`: no key signs, so that only who has credentials can signal. */
      readonly token: string | null
    })
  | Exclude<CreateWaitpointOutcome, { readonly outcome: 'created' | 'duplicate' }>

export interface MintWaitpointToken extends GetWaitpoint {
  /** Absent: the token binds none, and its signals are those of nobody in particular. */
  readonly source?: string | undefined
}

export interface MintedWaitpointToken {
  readonly outcome: 'minted'
  readonly token: string
}

/** The token tells which namespace and source. */
export interface SignalByToken extends Omit<DeliverSignal, 'namespace' | 'source'> {
  readonly token: string
}
