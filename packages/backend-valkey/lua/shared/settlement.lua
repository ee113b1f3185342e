-- How flows end. Where nothing went wrong it is decided here, in the step that ended the last member; otherwise it
-- takes the whole graph, and is left to the dispatcher.

local function stamp(f)
  return string.format('%d.%d', f[F.generation], f[F.revision])
end

-- How it ends if that takes no graph, or nil.
local function plain_end(f)
  if f[F.state] == 'l' then return 'x' end
  return f[F.bad] == 0 and 'c' or nil
end

local function is_over(f)
  return (f[F.state] == 'o' or f[F.state] == 'l') and f[F.open] == 0
end

-- The last end of its members may have been resolved.
function settlement.look(u, f)
  if not is_over(f) or f[F.entries] > 0 or f[F.walk] > 0 or f[F.settling] == stamp(f) then return end
  flows.touch(u, f)
  local letter = u.inline > 0 and plain_end(f)
  if letter then flows.finish(u, f, letter) else outbox.put_settlement(u, f) end
end

-- Whether a settlement that was left in this generation and revision still is to be carried out.
function settlement.is_due(f, generation, revision)
  return f and is_over(f) and f[F.generation] == generation and f[F.revision] == revision
end

-- The dispatcher's part, as far as it takes no graph. Answers the state's letter, '' when there is nothing to settle, or
-- nil when it takes the graph; then the entry stays.
function settlement.carry(u, id, item)
  local f = flows.get(u, item[2])
  if not settlement.is_due(f, item[4], item[5]) then
    outbox.remove(u, id)
    return ''
  end
  local letter = plain_end(f)
  if letter == nil then return nil end
  outbox.remove(u, id)
  flows.finish(u, f, letter)
  return letter
end

-- Entries that are lost leave counters behind that hold the flow open for ever. The net counts them anew.
function settlement.recount(u, f)
  local list = outbox.of_flow(u, u.flow_ids[f])
  if list == nil then return end
  local ends, is_left = 0, false
  for _, each in ipairs(list) do
    if each[2][1] == 'c' then ends = ends + 1 end
    if each[2][1] == 's' and settlement.is_due(f, each[2][4], each[2][5]) then is_left = true end
  end
  if ends ~= f[F.entries] or (not is_left and f[F.settling] == stamp(f)) then
    flows.touch(u, f)
    f[F.entries] = ends
    if not is_left then f[F.settling] = '' end
  end
end
