-- What a judgement of a whole graph looks at of a member: how a flow ends, what a replay reopens, how long its longest
-- chain of runs was.

local function add_run(attempt, sum)
  if attempt[A.ended] == 0 then return sum end
  return sum + attempt[A.ended] - attempt[A.started]
end

-- Recorded run times of all attempts, and when the first one started or 0.
local function runs(u, id, x)
  local last = x[X.attempt]
  if last == 0 then return 0, 0 end
  local sum, first = add_run(last, 0), last[A.started]
  if x[X.attempts] > 1 then
    for _, text in ipairs(redis.call('HVALS', attempts.key(u, id))) do
      local ok, attempt = pcall(cmsgpack.unpack, text)
      if not ok or type(attempt) ~= 'table' then call.refuse('corruption', attempts.key(u, id)) end
      sum = add_run(attempt, sum)
      first = math.min(first, attempt[A.started])
    end
  end
  return sum, first
end

-- [id, public state, outcome, cause, waits for its group?, replays, name, has downstreams?, ran in this generation?, group:
-- [kind, run on, state] or 0, upstreams in one text, run time, first start, generation].
function facts.of(u, id)
  local x, g = record.require(u, id), groups.get(u, id)
  local ins = {}
  for place, edge in ipairs(g and groups.ins(u, id) or {}) do ins[place] = edge[1] end
  local last = x[X.attempt]
  local run_ms, first = runs(u, id, x)
  return {
    id, state.public(x), x[X.out], x[X.cause], x[X.deps], x[X.replays], x[X.name], x[X.outs],
    last ~= 0 and last[A.generation] == x[X.generation] and 1 or 0,
    g and { g[G.kind], g[G.run_on], g[G.state] } or 0, table.concat(ins), run_ms, first, x[X.generation],
  }
end
