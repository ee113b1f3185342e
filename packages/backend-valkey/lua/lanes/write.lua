--- Changes a lane's home record, or makes it. What is '' or -1 stays. Its version will be above that one. The epoch of a cap is
-- raised unless the cap only grows: until every copy has told what runs there, nothing more is lent.
-- @flags allow-oom
-- @repeat request
-- @brings record
-- @args namespace: string, lane: string, request: string, state: string, shards: number, concurrency: number, ageing: number, weight: number, retention: number, events: string, above: int
-- @reply [previous: string, record: unknown[]]
-- @errors corruption schema_mismatch invalid_arguments
return function(u, a)
  local record = homes.read(u, a[1], a[2]) or homes.default()
  local previous, bound = record[L.state], record[L.concurrency]
  -- A change of settings counts as one also when it changes nothing; a state that it is in already does not.
  local is_changed = a[4] == '' or a[4] ~= previous or record[L.version] <= a[11]
  if a[4] ~= '' then record[L.state] = a[4] end
  if a[5] >= 0 then record[L.shards] = a[5] end
  if a[6] >= 0 then record[L.concurrency] = a[6] end
  if a[7] >= 0 then record[L.ageing] = a[7] end
  if a[7] > 0 then record[L.aged] = 1 end
  if a[8] >= 0 then record[L.weight] = a[8] end
  if a[9] >= 0 then record[L.retention] = a[9] end
  if a[10] ~= '' then record[L.events] = a[10] end
  if is_changed then record[L.version] = math.max(record[L.version], a[11]) + 1 end
  if is_changed or record[L.request] == '' then record[L.request] = a[3] end
  local cap = record[L.concurrency]
  local is_lent_anew = cap ~= 0 and (bound == 0 or cap < bound)
  if is_lent_anew then record[L.epoch] = record[L.epoch] + 1 end
  if not lanes.is_record(record) then call.refuse('invalid_arguments', 'a lane') end
  homes.write(u, a[1], a[2], record, is_lent_anew)
  return { previous, record }
end
