/**
 * Who implements what: the operations of the contract, read from its types, and for each the file that carries it out in
 * the model and in each store. Reads the syntax alone: a composition root names a function for each role, which returns
 * an object with a member for each operation.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import ts from 'typescript'
import { root } from './workspace.mjs'

const contractFolder = join(root, 'packages/core/src/contract')

/** Column → the function that puts a backend together. */
export const stores = {
  model: { file: join(root, 'test/model/index.ts'), composer: 'createModel' },
  Postgres: {
    file: join(root, 'packages/backend-postgres/src/postgres-backend.ts'),
    composer: 'createPostgresBackend',
  },
  Valkey: {
    file: join(root, 'packages/backend-valkey/src/valkey-backend.ts'),
    composer: 'createValkeyBackend',
  },
}

/** Roles in the contract's order, each with its operations. */
export function readContract() {
  const backend = interfaceNamed(join(contractFolder, 'engine-backend.ts'), 'EngineBackend')
  return backend.members.flatMap((member) => {
    const type = member.type
    if (type === undefined || !ts.isTypeReferenceNode(type)) return []
    const name = type.typeName.getText()
    const found = findDeclaration(backend.getSourceFile(), name)
    if (found === undefined || !ts.isInterfaceDeclaration(found))
      throw new Error(`the contract has no interface ${name}`)
    return [{ role: member.name.getText(), operations: operationsOf(found) }]
  })
}

/** Role and operation → its file, and core's where the store only keeps what core decides. A missing one is absent. */
export function readStore({ file, composer }) {
  const declaration = declarationNamed(parse(file), composer)
  if (declaration === undefined) throw new Error(`${file} has no ${composer}`)
  const found = new Map()
  for (const [role, place] of membersOf(declaration)) {
    for (const [operation, { node }] of membersOf(place.node)) {
      const work = fileOf(workOf(node))
      // Decided in core, for every store; the store's own part is what core is given.
      const own = work.startsWith('packages/core/') ? fileOf(workOf(place.node)) : work
      found.set(`${role}.${operation}`, { file: own, core: own === work ? undefined : work })
    }
  }
  return found
}

function fileOf(node) {
  return relative(root, node.getSourceFile().fileName)
}

function operationsOf(declaration) {
  const inherited = (declaration.heritageClauses ?? []).flatMap(({ types }) =>
    types.flatMap(({ expression }) => {
      const parent = findDeclaration(declaration.getSourceFile(), expression.getText())
      return parent === undefined ? [] : operationsOf(parent)
    }),
  )
  const own = declaration.members.filter(
    (member) =>
      ts.isMethodSignature(member) || (ts.isPropertySignature(member) && ts.isFunctionTypeNode(member.type)),
  )
  return [...inherited, ...own.map((member) => member.name.getText())]
}

/** What an expression or a function answers, as an object: name → the node that stands for it. */
function membersOf(node, depth = 0) {
  const members = new Map()
  if (node === undefined || depth > 12) return members
  const object = objectOf(node, depth)
  if (object === undefined) return members
  for (const property of object.properties) {
    if (ts.isSpreadAssignment(property)) {
      for (const [name, place] of membersOf(property.expression, depth + 1)) members.set(name, place)
    } else if (property.name !== undefined) {
      const name = property.name.getText().replace(/^['"]|['"]$/g, '')
      const value = ts.isPropertyAssignment(property)
        ? property.initializer
        : ts.isShorthandPropertyAssignment(property)
          ? (findDeclaration(property, name) ?? property)
          : property
      members.set(name, { node: value })
    }
  }
  return members
}

/** The object literal that a call, a function, a variable or an expression comes down to. */
function objectOf(node, depth) {
  if (node === undefined || depth > 12) return undefined
  if (ts.isObjectLiteralExpression(node)) return node
  if (ts.isParenthesizedExpression(node) || ts.isAsExpression(node) || ts.isSatisfiesExpression(node)) {
    return objectOf(node.expression, depth + 1)
  }
  if (ts.isCallExpression(node) || ts.isNewExpression(node)) {
    return objectOf(findDeclaration(node, node.expression.getText()), depth + 1)
  }
  if (ts.isIdentifier(node)) return objectOf(findDeclaration(node, node.text), depth + 1)
  if (ts.isVariableDeclaration(node)) return objectOf(node.initializer, depth + 1)
  if (ts.isFunctionLike(node)) {
    if (node.body === undefined) return undefined
    if (!ts.isBlock(node.body)) return objectOf(node.body, depth + 1)
    return objectOf(lastReturn(node.body), depth + 1)
  }
  return undefined
}

function lastReturn(body) {
  return body.statements.findLast((statement) => ts.isReturnStatement(statement))?.expression
}

/** Where the work of a member is done: in the function that it hands its params to, if it does nothing else. */
function workOf(node, depth = 0) {
  if (depth > 6) return node
  if (ts.isVariableDeclaration(node) && node.initializer !== undefined)
    return workOf(node.initializer, depth + 1)
  if (ts.isIdentifier(node)) {
    const declaration = findDeclaration(node, node.text)
    return declaration === undefined || ts.isParameter(declaration) ? node : workOf(declaration, depth + 1)
  }
  if (ts.isAwaitExpression(node)) return workOf(node.expression, depth + 1)
  if (ts.isCallExpression(node)) {
    const { expression } = node
    // A wrapper, as `operate(model, () => …)`: what it is given does the work.
    const wrapped = node.arguments.find((argument) => ts.isArrowFunction(argument))
    if (wrapped !== undefined) return workOf(wrapped, depth + 1)
    if (ts.isIdentifier(expression)) return declaredAt(node, expression.text)
    // As `finisher.complete(params)`: what the object was made by.
    if (ts.isPropertyAccessExpression(expression) && ts.isIdentifier(expression.expression)) {
      const object = findDeclaration(node, expression.expression.text)
      if (object !== undefined && ts.isVariableDeclaration(object) && object.initializer !== undefined) {
        return workOf(object.initializer, depth + 1)
      }
    }
    return node
  }
  if (ts.isArrowFunction(node) && !ts.isBlock(node.body)) return workOf(node.body, depth + 1)
  return node
}

function declaredAt(node, name) {
  return findDeclaration(node, name) ?? node
}

/** What a name stands for where the node is: a declaration around it, of its file, or of the file that it is imported from. */
function findDeclaration(node, name) {
  for (let scope = node; scope !== undefined; scope = scope.parent) {
    if (!ts.isBlock(scope) && !ts.isSourceFile(scope)) continue
    const found = declarationIn(scope.statements, name)
    if (found !== undefined) return found
  }
  const file = node.getSourceFile()
  for (const statement of file.statements) {
    if (!ts.isImportDeclaration(statement)) continue
    const bindings = statement.importClause?.namedBindings
    if (bindings === undefined || !ts.isNamedImports(bindings)) continue
    const binding = bindings.elements.find((element) => element.name.text === name)
    if (binding === undefined) continue
    return importedFrom(file, statement.moduleSpecifier.text, (binding.propertyName ?? binding.name).text)
  }
  return undefined
}

function importedFrom(file, specifier, name) {
  if (specifier === '@flowfabric/core') return coreDeclaration(name)
  if (!specifier.startsWith('.')) return undefined
  return exportedBy(parse(join(dirname(file.fileName), specifier.replace(/\.js$/, '.ts'))), name)
}

function exportedBy(file, name) {
  const own = declarationNamed(file, name)
  if (own !== undefined) return own
  for (const statement of file.statements) {
    if (!ts.isExportDeclaration(statement) || statement.moduleSpecifier === undefined) continue
    const { exportClause } = statement
    if (exportClause !== undefined && ts.isNamedExports(exportClause)) {
      const element = exportClause.elements.find((each) => each.name.text === name)
      if (element === undefined) continue
      return importedFrom(file, statement.moduleSpecifier.text, (element.propertyName ?? element.name).text)
    }
  }
  return undefined
}

function declarationNamed(file, name) {
  return declarationIn(file.statements, name)
}

function interfaceNamed(path, name) {
  const found = declarationNamed(parse(path), name)
  if (found === undefined || !ts.isInterfaceDeclaration(found))
    throw new Error(`${path} has no interface ${name}`)
  return found
}

function declarationIn(statements, name) {
  for (const statement of statements) {
    if (ts.isVariableStatement(statement)) {
      const found = statement.declarationList.declarations.find((each) => each.name.getText() === name)
      if (found !== undefined) return found
    } else if (
      (ts.isFunctionDeclaration(statement) ||
        ts.isInterfaceDeclaration(statement) ||
        ts.isClassDeclaration(statement)) &&
      statement.name?.text === name
    ) {
      return statement
    }
  }
  return undefined
}

/** Core exports through many index files: it is looked through by text, and only what names it is parsed. */
function coreDeclaration(name) {
  const pattern = new RegExp(`^export (?:async )?(?:function|const|interface|class) ${name}\\b`, 'm')
  const path = coreFiles().find((each) => pattern.test(textOf(each)))
  return path === undefined ? undefined : declarationNamed(parse(path), name)
}

let coreListing
function coreFiles() {
  const home = join(root, 'packages/core/src')
  coreListing ??= readdirSync(home, { recursive: true })
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
    .map((name) => join(home, name))
  return coreListing
}

const texts = new Map()
function textOf(path) {
  if (!texts.has(path)) texts.set(path, readFileSync(path, 'utf8'))
  return texts.get(path)
}

const parsed = new Map()
function parse(path) {
  if (!parsed.has(path)) {
    parsed.set(path, ts.createSourceFile(path, textOf(path), ts.ScriptTarget.ES2022, true))
  }
  return parsed.get(path)
}
