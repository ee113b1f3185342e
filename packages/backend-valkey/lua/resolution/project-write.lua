--- Writes summaries, by place, or 0 where it is as it was. A flow that has changed since it was counted is counted
-- again; `counts` are written where the recount found others. Answers of each `written`, or `gone`.
-- @flags allow-oom
-- @brings nothing
-- @args items: [flow: string, change: int, summary: int, counts: unknown][]
-- @reply string[]
-- @errors corruption schema_mismatch invalid_arguments
local function is_counts(counts)
  if counts == 0 then return true end
  if type(counts) ~= 'table' then return false end
  for letter, n in pairs(counts) do
    if type(letter) ~= 'string' or #letter ~= 1 or type(n) ~= 'number' or n < 1 or n % 1 ~= 0 then return false end
  end
  return true
end

local function write(u, item)
  local id = item[1]
  local f = flows.get(u, id)
  if not f then
    aside.cut(u, u.key.idx .. 'flow_index', id)
    aside.cut(u, u.key.idx .. 'unprojected', id)
    return 'gone'
  end
  local summary = call.bytes(u, item[3])
  if summary then aside.put(u, flows.key(u, id, 'summary'), summary) end
  if f[F.change] ~= item[2] then return 'written' end
  flows.touch(u, f)
  if item[4] ~= 0 then f[F.counts] = item[4] end
  f[F.unprojected] = 0
  -- One that has ended in all its parts is not visited again.
  if flows.is_ended(f) and f[F.open] == 0 then f[F.live] = 0 end
  return 'written'
end

return function(u, a)
  local told = {}
  for _, item in ipairs(a[1]) do
    if not is_counts(item[4]) then call.refuse('invalid_arguments', 'counts') end
  end
  for place, item in ipairs(a[1]) do told[place] = write(u, item) end
  flush.run(u)
  return told
end
