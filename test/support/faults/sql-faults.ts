import {
  type ExecutionId,
  makeExecutionId,
  must,
  type PartitionTag,
  parseEntryId,
  partitionIndexOf,
  partitionOfTag,
  uuidOf,
} from '@flowfabric/core'
import type { SqlInside } from '../backends.js'
import type { StoreFaults } from './faults.js'

/** Writes to the tables behind the backend's back. */
export function createSqlFaults(
  { pool, schema }: SqlInside,
  partitions: readonly PartitionTag[],
): StoreFaults {
  const on = (id: ExecutionId) => [partitionIndexOf(id), uuidOf(id)]
  let triggers = 0
  /** A sequence counts the tries, since it outlives the transactions that fail. */
  const raise = async (table: string, idColumn: string, uuid: string, sqlState: string) => {
    triggers += 1
    const name = `fault_${triggers}`
    await pool.query(`create sequence ${schema}.${name}_tries`)
    await pool.query(
      `create function ${schema}.${name}() returns trigger language plpgsql as $$
       begin
         perform nextval('${schema}.${name}_tries');
         raise exception 'a fault of the test' using errcode = '${sqlState}';
       end $$`,
    )
    await pool.query(
      `create trigger ${name} before update or delete on ${schema}.${table} for each row
       when (old.${idColumn} = '${uuid}') execute function ${schema}.${name}()`,
    )
    return {
      tries: async () => {
        const { rows } = await pool.query(
          `select case when is_called then last_value else 0 end as n from ${schema}.${name}_tries`,
        )
        return Number(rows[0]?.n)
      },
      undo: async () => {
        await pool.query(`drop function ${schema}.${name}() cascade`)
        await pool.query(`drop sequence ${schema}.${name}_tries`)
      },
    }
  }
  return {
    outbox: async () => {
      const { rows } = await pool.query(
        `select partition_key, id, execution_id from ${schema}.completion_event order by seq`,
      )
      return rows.map(({ partition_key, id, execution_id }) => ({
        entryId: parseEntryId(`{fp:${partition_key}}:${id}`),
        executionId:
          execution_id === null ? null : makeExecutionId(Number(partition_key), String(execution_id)),
      }))
    },

    leaveEntry: async ({ executionId, generation }) => {
      const partition = partitionIndexOf(executionId)
      const { rows } = await pool.query(
        `insert into ${schema}.completion_event (partition_key, kind, flow_id, execution_id, generation)
         select $1, 'completion', x.flow_id, x.id, $3
           from ${schema}.execution x where x.partition_key = $1 and x.id = $2
         returning id`,
        [partition, uuidOf(executionId), generation],
      )
      return parseEntryId(`{fp:${partition}}:${must(rows[0], `execution ${executionId}`).id}`)
    },

    leaveSlot: async (quotaId, holder) => {
      await pool.query(
        `insert into ${schema}.quota_key (quota_id, key, partition_key) values ($1, '', 0) on conflict do nothing`,
        [quotaId],
      )
      await pool.query(
        `insert into ${schema}.quota_holder (quota_id, key, partition_key, execution_id, epoch, units) values ($1, '', $2, $3, 1, 0)`,
        [quotaId, ...on(holder)],
      )
    },

    leaveReservation: async (budgetId, holder) => {
      await pool.query(
        `insert into ${schema}.budget_reservation (budget_id, execution_id, dimension, partition_key, epoch, amount)
         values ($1, $3, 'tokens', $2, 1, 1)`,
        [budgetId, ...on(holder)],
      )
    },

    resetAndWakeNobody: async () => {
      await pool.query(`select id from ${schema}.reset_due_budgets(0, 100)`)
    },

    pauseLaneHalfWay: () => Promise.reject(new Error('a lane is one row')),

    dropOutbox: async () => {
      const indexes = partitions.map((tag) => partitionOfTag(tag).index)
      await pool.query(`delete from ${schema}.completion_event where partition_key = any($1::int[])`, [
        indexes,
      ])
    },

    storePolicyKind: async (node, kind) => {
      await pool.query(
        `update ${schema}.edge_group set policy_kind = $3 where partition_key = $1 and downstream_id = $2`,
        [partitionIndexOf(node), uuidOf(node), kind],
      )
    },

    pendingTuples: async () => {
      const { rows } = await pool.query(
        `select partition_key, flow_id, downstream_id from ${schema}.pending_cancel_group order by enqueued_at`,
      )
      return rows.map((row) => `${row.flow_id}|{fp:${row.partition_key}}:${row.downstream_id}`)
    },

    purge: async (id) => {
      await pool.query(`delete from ${schema}.execution where partition_key = $1 and id = $2`, on(id))
    },

    purgeFlow: async (flowId) => {
      await pool.query(`delete from ${schema}.flow where id = $1`, [flowId])
    },

    removeGroup: async (node) => {
      await pool.query(
        `delete from ${schema}.edge_group where partition_key = $1 and downstream_id = $2`,
        on(node),
      )
    },

    clearCancelFlag: async (node) => {
      await pool.query(
        `update ${schema}.edge_group set cancel_pending = false where partition_key = $1 and downstream_id = $2`,
        on(node),
      )
    },

    forgetOnDecided: async (node) => {
      await pool.query(
        `update ${schema}.edge_group set on_decided = null where partition_key = $1 and downstream_id = $2`,
        on(node),
      )
    },

    refuseWrites: async (id) => (await raise('execution', 'id', uuidOf(id), 'XX001')).undo,
    refuseGroupWrites: async (node) =>
      (await raise('edge_group', 'downstream_id', uuidOf(node), 'XX001')).undo,
    refuseFlowWrites: async (flowId) => (await raise('flow', 'id', flowId, 'XX001')).undo,

    breakSummary: async (flowId) => {
      await pool.query(`update ${schema}.flow set summary = '"broken"', unprojected = true where id = $1`, [
        flowId,
      ])
    },

    forgetTimer: async (id) => {
      await pool.query(
        `update ${schema}.execution set due_at = null where partition_key = $1 and id = $2`,
        on(id),
      )
    },

    raiseInGroupWrites: (node, sqlState) => raise('edge_group', 'downstream_id', uuidOf(node), sqlState),

    storeSummaryState: async (flowId, publicFlowState) => {
      await pool.query(
        `update ${schema}.flow set summary = jsonb_set(summary, '{publicFlowState}', to_jsonb($2::text)) where id = $1`,
        [flowId, publicFlowState],
      )
    },
  }
}
