/**
 * Lists the operations of the contract with the file that implements each in the model and in every store. Fails when one is
 * missing anywhere. `docs/operations.md` is the same list, written by `generate-docs.mjs`.
 */
import { readContract, readStore, stores } from './operations.mjs'

const roles = readContract()
const columns = Object.entries(stores).map(([store, place]) => [store, readStore(place)])
const problems = []
let count = 0

for (const { role, operations } of roles) {
  for (const operation of operations) {
    const name = `${role}.${operation}`
    count += 1
    console.log(name)
    for (const [store, found] of columns) {
      const place = found.get(name)
      console.log(`  ${store.padEnd(9)}${describe(place)}`)
      if (place === undefined) problems.push(`missing: ${name} on ${store}`)
    }
  }
}

for (const problem of problems) console.error(problem)
console.log(`${count} operations of ${roles.length} roles; ${problems.length} problems`)
if (problems.length > 0) process.exitCode = 1

function describe(place) {
  if (place === undefined) return '–'
  return place.core === undefined ? place.file : `${place.file}, by ${place.core}`
}
