import type { ClientContext } from './client-context.ts';
import type { PushTopics, Topic } from './push-client.ts';

/** Audiences: rows of `push_topics`, and of `push_topic_members` for those the user is in. */
export function createTopics({ project }: ClientContext): PushTopics {
  return {
    async list() {
      const [topics, members] = await Promise.all([
        project.list('push_topics', 'key, title, description', 'title', 'key'),
        project.list('push_topic_members', 'topic', 'topic'),
      ]);
      return (topics as Topic[]).map((topic) => ({
        ...topic,
        joined: (members as { topic: string }[]).some((member) => member.topic === topic.key),
      }));
    },
    async join(topic) {
      await project.data(project.from('push_topic_members').upsert({ topic }, { ignoreDuplicates: true }));
    },
    async leave(topic) {
      await project.data(project.from('push_topic_members').delete().eq('topic', topic));
    },
  };
}
