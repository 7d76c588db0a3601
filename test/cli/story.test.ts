import { describeStory } from "./story.js";

describeStory("v4", 300);
