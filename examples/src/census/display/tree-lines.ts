import { type Board, isTerminal, type Row } from './board.js'
import { colour, formatRow } from './format-row.js'

interface Branch {
  readonly row: Row
  readonly indent: string
}

/** Rows of one map beyond this many are told in one line, unless something happens in them. */
const MAP_ROWS_MIN = 4

/**
 * The graph as a tree: each member below the first of its upstreams. If that is more than the screen has lines for,
 * members of a map that wait or have succeeded are left out, and counted.
 */
export function formatTree(
  board: Board,
  nowMs: number,
  linesMax: number,
  columns: number,
): readonly string[] {
  const branches = listBranches(board.rows)
  const left =
    branches.length > linesMax ? new Set(branches.filter(({ row }) => isQuiet(row))) : new Set<Branch>()
  const width = Math.max(...branches.map(({ row, indent }) => indent.length + row.name.length))
  const lines: string[] = []
  let hidden: Branch[] = []
  const tellHidden = () => {
    const [first] = hidden
    if (first !== undefined) lines.push(`${first.indent}${summariseHidden(hidden)}`.slice(0, columns))
    hidden = []
  }
  for (const branch of branches) {
    if (left.has(branch)) {
      hidden.push(branch)
      continue
    }
    tellHidden()
    const { row, indent } = branch
    const line = `${indent}${formatRow(row, nowMs, width - indent.length)}`.slice(0, columns)
    lines.push(colour(row.state, line))
  }
  tellHidden()
  return lines
}

function listBranches(rows: readonly Row[]): readonly Branch[] {
  const names = new Set(rows.map(({ name }) => name))
  const below = new Map<string, Row[]>()
  const roots: Row[] = []
  for (const row of rows) {
    const parent = row.upstreams.find((name) => names.has(name))
    if (parent === undefined) roots.push(row)
    else below.set(parent, [...(below.get(parent) ?? []), row])
  }
  const branches: Branch[] = []
  const visit = (list: readonly Row[], prefix: string, isTop: boolean) => {
    for (const [index, row] of list.entries()) {
      const isLast = index === list.length - 1
      branches.push({ row, indent: isTop ? '' : `${prefix}${isLast ? '└─ ' : '├─ '}` })
      visit(below.get(row.name) ?? [], isTop ? '' : `${prefix}${isLast ? '   ' : '│  '}`, false)
    }
  }
  visit(roots, '', true)
  return branches
}

/** One of a map, and either done at the first attempt or not begun. */
function isQuiet({ name, state, attempts }: Row): boolean {
  return (
    /\[\d+\]$/.test(name) &&
    state !== 'active' &&
    attempts <= 1 &&
    (!isTerminal(state) || state === 'completed')
  )
}

function summariseHidden(hidden: readonly Branch[]): string {
  const done = hidden.filter(({ row }) => row.state === 'completed').length
  const names = hidden.map(({ row }) => row.name)
  const range = hidden.length < MAP_ROWS_MIN ? names.join(', ') : `${names[0]} … ${names.at(-1)}`
  return `${range}: ${done} completed, ${hidden.length - done} to come`
}
