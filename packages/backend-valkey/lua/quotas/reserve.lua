--- Takes slots and units of a key for executions of one line, in their order, up to the first that it has no room for. That one's
-- line is registered as a waiter in this step. A quota that drops what is new refuses each for itself. `flags` is a letter for each:
-- t taken, d to be dropped, r refused, and - what was not looked at. `ids` are UUIDs, one behind the other; see `bundles` for `origin`.
-- @brings nothing
-- @args id: string, key: string, waiter: string, token: string, origin: string, ids: string, items: [number: int, cost: int, begins: boolean][]
-- @reply [word: string, flags: string, asked: string]
-- @errors corruption schema_mismatch invalid_arguments
return function(u, a)
  local settings = quotas.settings(u, a[1])
  if not settings then return { 'unknown', '', '' } end
  local flags, name, asked = {}, resources.of_quota(a[1], a[2]), ''
  bundles.require_origin(a[5])
  local taken = quotas.take_together(u, a[1], a[2], settings, a[5], a[6], a[7])
  for place, item in ipairs(a[7]) do
    if place <= taken then
      flags[place] = 't'
    elseif flags.is_over then
      flags[place] = '-'
    else
      local holder = bundles.holder(a[5], string.sub(a[6], 36 * place - 35, 36 * place), item[1])
      local short = quotas.take(u, a[1], a[2], settings, holder, item[2], item[3])
      if not short then flags[place] = 't'
      elseif settings[Q.strategy] == 'drop_new' then flags[place] = 'd'
      else
        flags[place], flags.is_over = 'r', true
        local count = quotas.count(u, a[1], a[2])
        local at = short == 'r' and room.retry_at(settings[Q.units], settings[Q.window], count[2], item[2], u.now) or 0
        resources.wait(u, name, a[3], { a[4], item[3], item[2], at })
        local oldest = short == 'c' and settings[Q.strategy] == 'cancel_oldest' and quotas.oldest(u, name)
        if oldest then
          oldest[2][5] = 1
          resources.put_holder(u, name, oldest[1], oldest[2])
          flush.staged(u).add(u.key.idx .. 'to_cancel', u.now + 10000, name .. '\0' .. oldest[1])
          asked = oldest[1]
        end
      end
    end
  end
  resources.flush(u)
  return { settings[Q.ns], table.concat(flags), asked }
end
