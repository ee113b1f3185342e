import type { RoleFactory } from '../role.js'
import { bulk } from './bulk.js'
import { children } from './children.js'
import { desertion } from './desertion.js'
import { flows } from './flows.js'
import { limits } from './limits.js'
import { operators } from './operators.js'
import { schedules } from './schedules.js'
import { streams } from './streams.js'
import { suspensions } from './suspensions.js'
import { webhooks } from './webhooks.js'
import { work } from './work.js'

/** What every store is asked first. */
export const firstRoles: readonly RoleFactory[] = [work, flows, desertion]

export const everyRole: readonly RoleFactory[] = [
  ...firstRoles,
  suspensions,
  children,
  streams,
  limits,
  schedules,
  bulk,
  operators,
  webhooks,
]
