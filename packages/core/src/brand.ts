declare const brandName: unique symbol

/** A `T` that was checked to be a `Name`: a plain string at run time, a type of its own to the compiler. */
export type Brand<T, Name extends string> = T & { readonly [brandName]: Name }

/** Gives a checked value its brand. Only parsers and minters call it: it is the one cast behind all ids. */
export function applyBrand<B extends Brand<string, string>>(checked: string): B {
  return checked as B
}
