--- Replays members of a flow, in order of creation, if they and it still are as the plan saw them: `again` asks for
-- another plan. Few go in this step; with `isStaged` it is only begun, and the answer names it for those who bring
-- the new inputs. `isStrict`: nothing at all may have changed since. `how`: k keeps the input, n none, b the bytes
-- at the place; then `hash` is the old input's.
-- @flags
-- @repeat request
-- @brings submit
-- @args namespace: string, flow: string, revision: int, generation: int, change: int, isStrict: boolean, rows: [id: string, outcome: string, how: string, place: int, hash: string][], isStaged: boolean, hasInputs: boolean
-- @reply unknown[]
-- @errors corruption schema_mismatch not_found invalid_arguments
local REPLAYABLE = { o = true, c = true, f = true, x = true }

local function inputs_of(u, rows)
  local inputs = {}
  for _, row in ipairs(rows) do
    if row[3] == 'n' then inputs[row[1]] = { false, row[5] } end
    if row[3] == 'b' then inputs[row[1]] = { call.bytes(u, row[4]), row[5] } end
  end
  return inputs
end

return function(u, a)
  local f = flows.find(u, a[1], a[2])
  local letter, rows, ids = f[F.state], a[7], {}
  if not REPLAYABLE[letter] or f[F.policy] == 'f' then return { 'flow_not_open', letter } end
  if f[F.walk] > 0 then return { 'finish_ending' } end
  if f[F.revision] ~= a[3] or f[F.generation] ~= a[4] or (a[6] and f[F.change] ~= a[5]) then return { 'again' } end
  local seen = {}
  for place, row in ipairs(rows) do
    if #row[2] ~= 1 or seen[row[1]] then call.refuse('invalid_arguments', 'a member') end
    seen[row[1]] = true
    ids[place] = row[1]
  end
  graph.check_ids(ids)
  if #ids == 0 then call.refuse('invalid_arguments', 'no members') end
  if a[8] then
    local name = replaying.begin(u, f, rows, a[9])
    flush.run(u)
    return { 'begun', name }
  end
  record.load(u, ids)
  for _, row in ipairs(rows) do
    if not replays.fits(u.records[row[1]], a[2], row[2]) then return { 'again' } end
  end
  replays.at_once(u, f, ids, inputs_of(u, rows))
  resolve.fresh(u)
  flush.run(u)
  return { 'replayed' }
end
