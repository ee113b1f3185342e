/**
 * A PostgreSQL schema as text that can be read and compared: one answer per catalog query, sorted by name,
 * the same on every supported version.
 */

/** Each query answers rows `{ name, text }`; `$1` is the schema. */
const sections = [
  {
    title: 'Types',
    sql: `
      select t.typname as name,
             format('create type %I as enum (%s);', t.typname,
                    string_agg(quote_literal(e.enumlabel), ', ' order by e.enumsortorder)) as text
      from pg_type t join pg_enum e on e.enumtypid = t.oid
      where t.typnamespace = $1::regnamespace
      group by t.typname
      union all
      select c.relname,
             format('create type %I as (%s);', c.relname,
                    string_agg(format('%I %s', a.attname, format_type(a.atttypid, a.atttypmod)), ', ' order by a.attnum))
      from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
      where c.relnamespace = $1::regnamespace and c.relkind = 'c'
      group by c.relname
      union all
      select t.typname, format('create domain %I as %s;', t.typname,
        concat_ws(' ', format_type(t.typbasetype, t.typtypmod), case when t.typnotnull then 'not null' end, (
          select string_agg(pg_get_constraintdef(d.oid), ' ' order by d.conname) from pg_constraint d
          where d.contypid = t.oid and d.contype = 'c')))
      from pg_type t where t.typnamespace = $1::regnamespace and t.typtype = 'd'`,
  },
  {
    title: 'Sequences',
    sql: `
      select c.relname as name,
             format('create sequence %I as %s increment %s;', c.relname, format_type(s.seqtypid, null), s.seqincrement) as text
      from pg_class c join pg_sequence s on s.seqrelid = c.oid
      where c.relnamespace = $1::regnamespace
        and not exists (select from pg_depend d where d.objid = c.oid and d.deptype = 'i')`,
  },
  {
    title: 'Tables',
    sql: `
      select c.relname as name,
             format(E'create%s table %I%s (\\n%s\\n)%s%s;',
                    case when c.relpersistence = 'u' then ' unlogged' else '' end,
                    c.relname,
                    case when c.relispartition then
                      format(' partition of %s %s', (select inhparent::regclass from pg_inherits where inhrelid = c.oid),
                             pg_get_expr(c.relpartbound, c.oid)) else '' end,
                    concat_ws(E',\\n', nullif((
                      select string_agg('  ' || concat_ws(' ',
                               quote_ident(a.attname),
                               format_type(a.atttypid, a.atttypmod),
                               case when a.attcollation not in (0, t.typcollation)
                                 then 'collate ' || a.attcollation::regcollation end,
                               case when a.attnotnull then 'not null' end,
                               case when a.attidentity <> '' then 'generated ' ||
                                 case a.attidentity when 'a' then 'always' else 'by default' end || ' as identity' end,
                               case when a.attgenerated <> '' then
                                 'generated always as (' || pg_get_expr(d.adbin, d.adrelid) || ') stored'
                                 when d.oid is not null then 'default ' || pg_get_expr(d.adbin, d.adrelid) end
                             ), E',\\n' order by a.attnum)
                      from pg_attribute a
                      join pg_type t on t.oid = a.atttypid
                      left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
                      where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped), ''), (
                      -- Newer versions list NOT NULL here too; the columns say it already.
                      select string_agg(format('  constraint %I %s', n.conname, pg_get_constraintdef(n.oid)), E',\\n'
                                        order by n.contype <> 'p', n.conname)
                      from pg_constraint n where n.conrelid = c.oid and n.contype <> 'n')),
                    case when c.relkind = 'p' then ' partition by ' || pg_get_partkeydef(c.oid) else '' end,
                    coalesce(' with (' || array_to_string(c.reloptions, ', ') || ')', '')) as text
      from pg_class c
      where c.relnamespace = $1::regnamespace and c.relkind in ('r', 'p')`,
  },
  {
    title: 'Indexes',
    sql: `
      select i.relname as name, pg_get_indexdef(i.oid) || ';' as text
      from pg_class i join pg_index x on x.indexrelid = i.oid
      where i.relnamespace = $1::regnamespace
        and not exists (select from pg_constraint n where n.conindid = i.oid and n.contype in ('p', 'u', 'x'))`,
  },
  {
    title: 'Views',
    sql: `
      select c.relname as name, format(E'create view %I as\\n%s', c.relname, pg_get_viewdef(c.oid, true)) as text
      from pg_class c where c.relnamespace = $1::regnamespace and c.relkind = 'v'`,
  },
  {
    title: 'Functions',
    sql: `
      select p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ')' as name,
             pg_get_functiondef(p.oid) || ';' as text
      from pg_proc p where p.pronamespace = $1::regnamespace and p.prokind in ('f', 'p')`,
  },
  {
    title: 'Triggers',
    sql: `
      select t.tgrelid::regclass || '.' || t.tgname as name, pg_get_triggerdef(t.oid, true) || ';' as text
      from pg_trigger t join pg_class c on c.oid = t.tgrelid
      where c.relnamespace = $1::regnamespace and not t.tgisinternal`,
  },
]

/** `query(sql, parameters)` answers rows. */
export async function describeSchema(query, schema) {
  const parts = []
  for (const { title, sql } of sections) {
    const rows = await query(`select * from (${sql}\n) as described order by name collate "C"`, [schema])
    if (rows.length > 0) parts.push(`-- ${title}\n\n${rows.map(({ text }) => text.trimEnd()).join('\n\n')}\n`)
  }
  return parts.join('\n')
}
