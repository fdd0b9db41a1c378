/** The roles that may call the functions of queue and log: see `function-roles.ts`. */
export const QUEUE_FUNCTIONS: Record<string, string[]> = {
  'push.cancel_deliveries_to': [],
  'push.clean_log': [],
  'push.count_finished_deliveries': [],
  'push.drop_log_part': [],
  'push.end_deliveries': [],
  'push.end_each': [],
  'push.is_superseded': [],
  'push.next_position': [],
  'push.supersede_older': [],
};
