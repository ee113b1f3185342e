--- How much the partition holds.
-- @flags no-writes
-- @args
-- @reply [executions: int, flows: int, outbox: int, events: int]
-- @errors corruption schema_mismatch
return function(u)
  local idx, executions, flow_count, namespaces = u.key.idx, 0, 0, {}
  local counts = redis.call('HGETALL', idx .. 'counts')
  for place = 1, #counts, 2 do
    if not string.find(counts[place], '.' .. project.HIDDEN, 1, true) then
      executions = executions + tonumber(counts[place + 1])
    end
  end
  -- Flows are listed by namespace, and each with members has its routes; a draft without any is not counted.
  for _, rid in ipairs(redis.call('HKEYS', idx .. 'routes')) do namespaces[routes.of(u, rid).ns] = true end
  for ns in pairs(namespaces) do
    for _, class in ipairs({ 'open', 'ended' }) do
      flow_count = flow_count + redis.call('ZCARD', idx .. 'flows:' .. class .. ':' .. ns)
    end
  end
  return { executions, flow_count, redis.call('HLEN', idx .. 'outbox'), u.events - events.first(u) + 1 }
end
