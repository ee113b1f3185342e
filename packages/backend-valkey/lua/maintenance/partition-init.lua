--- Makes a partition ready for use, once. With a time its clock stands still from the beginning, which is for tests alone.
-- @flags allow-oom
-- @brings nothing
-- @args layout: int, timeMs: int
-- @reply string
-- @errors invalid_arguments
return function(u, a)
  local layout = string.format('%d', a[1])
  if not u.layout then
    redis.call('HSET', u.key.meta, 'layout', layout)
    if a[2] > 0 then redis.call('HSET', u.key.meta, 'time', a[2]) end
    return 'ready'
  end
  if u.layout ~= layout then return 'other_layout' end
  if (a[2] > 0) ~= u.is_virtual then return 'other_clock' end
  return 'ready'
end
