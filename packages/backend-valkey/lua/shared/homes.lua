-- Homes of lanes, in the quota partition that their names hash to: the records that all copies follow, by namespace, and of
-- each capped lane a ledger of the slots that it has lent to the partitions.
--
-- The ledger is a hash: `cap`, `epoch`, `open` (0 until every copy has told what runs there), and for each partition how many
-- it must be reckoned to use (its index) and the number of the last message about that (`s` and its index).

local function homes_key(u, namespace)
  return u.key.root .. ':lane:' .. u.key.tag .. ':' .. namespace
end

local function ledger_key(u, namespace, lane)
  return u.key.root .. ':lanecap:' .. u.key.tag .. ':' .. namespace .. '/' .. lane
end

local function decode(u, namespace, lane, text)
  local ok, record = pcall(cmsgpack.unpack, text)
  if not ok or not lanes.is_record(record) then call.refuse('corruption', homes_key(u, namespace) .. ' ' .. lane) end
  return record
end

-- As a lane is that nobody configured.
function homes.default()
  return { 1, 'active', 1, 0, 0, 1, 86400000, 'terminal', 0, 0, '', 0, 0, 0 }
end

-- The record, or nil.
function homes.read(u, namespace, lane)
  local text = redis.call('HGET', homes_key(u, namespace), lane)
  return text and decode(u, namespace, lane, text) or nil
end

-- All lanes of the namespace that have their home here: [name, record] each.
function homes.all(u, namespace)
  local list = {}
  local stored = redis.call('HGETALL', homes_key(u, namespace))
  for place = 1, #stored, 2 do
    list[#list + 1] = { stored[place], decode(u, namespace, stored[place], stored[place + 1]) }
  end
  return list
end

-- Writes the record with its ledger; both keys were asked for their type before.
function homes.write(u, namespace, lane, record, is_lent_anew)
  local ledger = ledger_key(u, namespace, lane)
  redis.call('HLEN', ledger)
  redis.call('HSET', homes_key(u, namespace), lane, cmsgpack.pack(record))
  if is_lent_anew or record[L.concurrency] == 0 then redis.call('UNLINK', ledger) end
  if is_lent_anew then
    redis.call('HSET', ledger, 'cap', record[L.concurrency], 'epoch', record[L.epoch], 'open', 0)
  elseif record[L.concurrency] ~= 0 then
    redis.call('HSET', ledger, 'cap', record[L.concurrency])
  end
end

-- ---- The ledger

-- { cap, epoch, is_open, lent: partition → count, seqs: partition → number, sum }, or nil for a lane without a cap.
function homes.ledger(u, namespace, lane)
  local stored = redis.call('HGETALL', ledger_key(u, namespace, lane))
  if #stored == 0 then return nil end
  local ledger = { lent = {}, seqs = {}, sum = 0, changes = {} }
  for place = 1, #stored, 2 do
    local field, value = stored[place], tonumber(stored[place + 1])
    if field == 'cap' then ledger.cap = value
    elseif field == 'epoch' then ledger.epoch = value
    elseif field == 'open' then ledger.is_open = value == 1
    elseif string.sub(field, 1, 1) == 's' then ledger.seqs[tonumber(string.sub(field, 2))] = value
    else
      ledger.lent[tonumber(field)] = value
      ledger.sum = ledger.sum + value
    end
  end
  if not ledger.cap or not ledger.epoch then call.refuse('corruption', ledger_key(u, namespace, lane)) end
  return ledger
end

function homes.set_lent(ledger, partition, count)
  ledger.sum = ledger.sum + count - (ledger.lent[partition] or 0)
  ledger.lent[partition] = count
  ledger.changes[#ledger.changes + 1] = string.format('%d', partition)
  ledger.changes[#ledger.changes + 1] = count
end

function homes.set_seq(ledger, partition, seq)
  ledger.seqs[partition] = seq
  ledger.changes[#ledger.changes + 1] = string.format('s%d', partition)
  ledger.changes[#ledger.changes + 1] = seq
end

-- The number of the next message about the partition's credit: the partition follows the latest.
function homes.next_seq(ledger, partition)
  local seq = (ledger.seqs[partition] or 0) + 1
  homes.set_seq(ledger, partition, seq)
  return seq
end

function homes.open(ledger)
  ledger.is_open = true
  ledger.changes[#ledger.changes + 1] = 'open'
  ledger.changes[#ledger.changes + 1] = 1
end

-- One command: a change of the ledger is whole or is not.
function homes.write_ledger(u, namespace, lane, ledger)
  if #ledger.changes > 0 then redis.call('HSET', ledger_key(u, namespace, lane), unpack(ledger.changes)) end
end
