/** What is made of an object that can never change is made once for each; of any other one, anew every time. */
export function rememberFrozen<Key extends object, Made>(make: (key: Key) => Made): (key: Key) => Made {
  const remembered = new WeakMap<Key, Made>()
  return (key) => {
    const known = remembered.get(key)
    if (known !== undefined) return known
    const made = make(key)
    if (isFrozenThroughout(key)) remembered.set(key, made)
    return made
  }
}

function isFrozenThroughout(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return true
  return Object.isFrozen(value) && Object.values(value).every(isFrozenThroughout)
}
