--- What is to be looked at in the partition: tentative holders whose time is over, holders that are to be cancelled and were not
-- yet, quotas whose copies may be old, and what follows elsewhere from changes of budgets; and when somebody is to be woken next (0: nobody).
-- @flags no-writes
-- @args max: int
-- @reply [tentative: [name: string, holder: string][], toCancel: [name: string, holder: string, namespace: string][], toSync: string[], announcements: string[], wakeMs: number]
-- @errors corruption schema_mismatch
local function due(u, index, max)
  return redis.call('ZRANGE', u.key.idx .. index, '-inf', u.now, 'BYSCORE', 'LIMIT', 0, max)
end

-- Those of a bundle are looked at together.
local function tell(u, name, holder, list)
  local bundle = string.sub(holder, 1, 1) == '+' and bundles.get(u, name, string.sub(holder, 2))
  if not bundle then
    list[#list + 1] = { name, holder }
    return
  end
  for _, each in ipairs(bundles.holders(u, bundle)) do list[#list + 1] = { name, each } end
end

return function(u, a)
  local tentative, to_cancel = {}, {}
  for _, member in ipairs(due(u, 'tentative', a[1])) do
    if #tentative >= a[1] then break end
    local name, holder = string.match(member, '^(.*)%z(.*)$')
    tell(u, name, holder, tentative)
  end
  for _, member in ipairs(due(u, 'to_cancel', a[1])) do
    local name, holder = string.match(member, '^(.*)%z(.*)$')
    local _, id = resources.read_name(name)
    local settings = quotas.settings(u, id)
    to_cancel[#to_cancel + 1] = { name, holder, settings and settings[Q.ns] or '' }
  end
  return { tentative, to_cancel, due(u, 'quotas_to_sync', a[1]), due(u, 'announcements', a[1]), resources.first_look(u) }
end
