-- Carrying out entries of the outbox. What one call takes is carried on together: first all ends, then flows are
-- settled, then ancestors of losers go. Entries of other kinds, and settlements that take a whole graph, are only
-- named.

-- An entry that does not decode, or says what this version does not know: it is taken again after a minute, for ever.
local function refuse(u, one, detail)
  outbox.put_off(u, one.id, nil)
  one.told = { 'error', one.id, 'corruption', detail }
end

-- The flow of an entry, or false; nil, and the entry is put off, where it cannot be read.
local function flow_of(u, one)
  local f, is_bad = call.read(flows.get, u, one.item[2])
  if not is_bad then return f end
  refuse(u, one, flows.key(u, one.item[2]))
  return nil
end

-- The end stands no more, or its flow is gone.
local function forget(u, one, f)
  outbox.remove(u, one.id)
  one.told = { 'noop', one.id }
  if f then resolve.forget(u, f) end
end

-- Looks at an entry about an end. What is to be hopped has `ended` then; one that waits for its flow has no answer.
local function look_at_end(u, one, bad)
  local item = one.item
  local f = item[2] ~= '' and flow_of(u, one)
  if f == nil then return end
  if bad[item[3]] then return refuse(u, one, record.key(u, item[3])) end
  local x = u.records[item[3]]
  if not x or not state.is_terminal(x) or x[X.generation] ~= item[4] or (item[2] ~= '' and not f) then
    return forget(u, one, f)
  end
  if f and not resolve.is_open(f) then return outbox.park(u, f, one.id, item) end
  if not f then
    outbox.remove(u, one.id)
    one.told = { 'advanced', one.id, '', item[3], 0, 0, 0, 0, {} }
    return
  end
  one.ended = resolve.end_of(u, x, item[4], item[5])
end

local function tell(one, hop)
  local corrupt = {}
  for place, each in ipairs(hop.corrupt) do corrupt[place] = each[1] end
  one.told = {
    'advanced', one.id, one.item[2], one.item[3], hop.edges, hop.satisfied, hop.impossible, hop.skipped, corrupt,
  }
end

local function after_hop(u, one, hop)
  if not hop then return refuse(u, one, u.key.exec .. one.item[3] .. ':out') end
  tell(one, hop)
  local rest = resolve.rest_of(hop)
  if rest == nil then
    outbox.remove(u, one.id)
    resolve.conclude(u, one.ended)
    return
  end
  one.item[5] = rest
  -- What nobody can read is looked at again later; what there was no room for comes next.
  if hop.rest then outbox.keep(u, one.id, one.item) else outbox.put_off(u, one.id, one.item) end
end

local function carry_ends(u, ends)
  local ids, bad, owners = {}, {}, {}
  local list, ended = {}, {}
  for place, one in ipairs(ends) do
    ids[place] = one.item[3]
    if one.item[2] ~= '' then owners[#owners + 1] = one.item[2] end
  end
  record.load(u, ids, bad)
  sound.flows(u, owners)
  for _, one in ipairs(ends) do
    look_at_end(u, one, bad)
    if one.ended then list[#list + 1], ended[#ended + 1] = one, one.ended end
  end
  local hops = resolve.hops(u, ended, u.hop, u.edges_left)
  for place, one in ipairs(list) do
    u.edges_left = u.edges_left - (hops[place] and hops[place].edges or 0)
    after_hop(u, one, hops[place])
  end
end

local function settle(u, one, others)
  local f = flow_of(u, one)
  if f == nil then return end
  local letter = settlement.carry(u, one.id, one.item)
  if letter == nil then others[#others + 1] = { 's', one.id, one.item[2], {} }
  elseif letter == '' then one.told = { 'noop', one.id }
  else one.told = { 'settled', one.id, one.item[2], letter } end
end

local function carry_losers(u, one)
  local f = flow_of(u, one)
  if f == nil then return end
  if f and not resolve.is_open(f) then return outbox.park(u, f, one.id, one.item) end
  outbox.remove(u, one.id)
  if f then losers.carry(u, f, one.item) end
end

local function sort_out(u, ids)
  local items = outbox.read(u, ids)
  local all, by_kind, seen = {}, { c = {}, s = {}, w = {}, r = {}, p = {}, l = {}, v = {}, e = {}, t = {}, g = {}, k = {} }, {}
  for _, id in ipairs(ids) do
    if seen[id] then call.refuse('invalid_arguments', 'an entry occurs twice') end
    seen[id] = true
    local one = { id = id, item = items[id] }
    all[#all + 1] = one
    if one.item == nil then
      outbox.remove(u, id)
      one.told = { 'noop', id }
    elseif not one.item or not by_kind[one.item[1]] or (one.item[1] == 'g' and type(one.item[8]) ~= 'table') then
      refuse(u, one, u.key.idx .. 'outbox ' .. id)
    else
      local list = by_kind[one.item[1]]
      list[#list + 1] = one
    end
  end
  return all, by_kind
end

-- What became of each entry: ends first, then settlements; and [kind, id, flow, what] of those that are named only, where `what` is
-- what is to be given back. Answers nothing of those that wait for their flow.
function dispatching.carry(u, ids)
  local all, by_kind = sort_out(u, ids)
  local items, others = {}, {}
  carry_ends(u, by_kind.c)
  for _, one in ipairs(by_kind.s) do settle(u, one, others) end
  for _, one in ipairs(by_kind.w) do carry_losers(u, one) end
  for _, kind in ipairs({ 'r', 'p', 'l', 'v', 'e', 't', 'g', 'k' }) do
    for _, one in ipairs(by_kind[kind]) do others[#others + 1] = { kind, one.id, one.item[2], kind == 'g' and one.item[8] or {} } end
  end
  for _, one in ipairs(all) do
    if one.told and one.told[1] ~= 'settled' then items[#items + 1] = one.told end
  end
  for _, one in ipairs(by_kind.s) do
    if one.told and one.told[1] == 'settled' then items[#items + 1] = one.told end
  end
  return items, others
end
