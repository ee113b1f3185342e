import { defineTask, type } from '@flowfabric/sdk'
import { listTrackedFiles } from '../tracked-files.js'
import { measureFiles } from './measure-files.js'
import { summarise } from './summarise.js'

/** A map is never narrower than this, so that there is something to watch, and hardly ever wider than that. */
const WIDTH_MIN = 20
const WIDTH_MAX = 40
const FILES_PER_CHUNK = 16

/**
 * Lists the files and adds one node for each chunk of them to the running flow: a map whose width nobody knew before.
 * The summary, which waits behind this node, waits for all of them from then on.
 */
export const listFiles = defineTask({
  kind: 'list-files',
  input: type<{ readonly root: string }>(),
  async handler({ input: { root }, step, spawn, signal }) {
    // A step, so that a second run adds the very same nodes although the tree may have changed meanwhile.
    const files = await step('list', () => listTrackedFiles(root, signal))
    const chunks = splitEvenly(files, chooseWidth(files.length))
    await spawn((f) => {
      const parts = f.after(f.self).map(
        chunks.map((chunk) => ({ root, files: chunk })),
        measureFiles,
      )
      f.feed(f.existing('summarise', summarise), { parts })
    })
    return { files: files.length, chunks: chunks.length }
  },
})

function chooseWidth(files: number): number {
  return Math.max(1, Math.min(files, WIDTH_MAX, Math.max(WIDTH_MIN, Math.ceil(files / FILES_PER_CHUNK))))
}

/** So many parts, no two of which differ by more than one in length. */
function splitEvenly<T>(list: readonly T[], parts: number): readonly (readonly T[])[] {
  return Array.from({ length: parts }, (_, index) =>
    list.slice(Math.floor((index * list.length) / parts), Math.floor(((index + 1) * list.length) / parts)),
  )
}
